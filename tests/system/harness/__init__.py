"""What the system tests share: the server as a process, connections to it, and /proc."""
