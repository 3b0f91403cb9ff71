/*
 * system_screen.c - a terminal that a program has for itself, and that comes back as it was.
 *
 * Whatever ends the program, the terminal has to show again what is typed.  A handler of the
 * signals that a fault sends knows of no screen: it makes the terminal one that can be used.
 */
#include "cli/system.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
    SCREEN_COLUMNS = 80,
    SCREEN_ROWS = 24,
    SCREEN_SIDE_MAX = 1000, /* what is larger is a mistake of the terminal's */
    KEY_STOP = 'Z' & 0x1f,
    KEY_QUIT = '\\' & 0x1f,
};

/* The other screen, no cursor, no wrapping; and back, with the colours that there were. */
static const char screen_begin[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
static const char screen_end[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

struct tp_system_screen {
    struct termios before;
};

static void screen_watch_faults(void);
static void screen_on_fault(int number);
static void screen_write(const char *text);

void
tp__system_screen_size(FILE *file, unsigned *columns, unsigned *rows)
{
    struct winsize size;
    bool is_told = ioctl(fileno(file), TIOCGWINSZ, &size) == 0;

    *columns = is_told && size.ws_col > 0 ? size.ws_col : SCREEN_COLUMNS;
    *rows = is_told && size.ws_row > 0 ? size.ws_row : SCREEN_ROWS;
    *columns = *columns < SCREEN_SIDE_MAX ? *columns : SCREEN_SIDE_MAX;
    *rows = *rows < SCREEN_SIDE_MAX ? *rows : SCREEN_SIDE_MAX;
}

/* SIGINT stays what Ctrl-C sends; what would stop or dump this process comes as a key. */
enum tp_result
tp__system_open_screen(struct tp_system_screen **screen)
{
    struct tp_system_screen *made = malloc(sizeof(*made));

    if (made == NULL) {
        return TP_NO_MEMORY;
    }
    if (isatty(STDOUT_FILENO) != 1 || tcgetattr(STDIN_FILENO, &made->before) == -1) {
        free(made);
        return TP_SYSTEM;
    }
    struct termios raw = made->before;

    raw.c_lflag &= ~(tcflag_t) (ECHO | ICANON | IEXTEN);
    raw.c_iflag &= ~(tcflag_t) (IXON | ICRNL);
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;
    raw.c_cc[VQUIT] = _POSIX_VDISABLE;
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    screen_watch_faults();
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) == -1) {
        free(made);
        return TP_SYSTEM;
    }
    screen_write(screen_begin);
    *screen = made;
    return TP_OK;
}

void
tp__system_close_screen(struct tp_system_screen **screen)
{
    if (*screen != NULL) {
        fflush(stdout);
        screen_write(screen_end);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &(*screen)->before);
        free(*screen);
        *screen = NULL;
    }
}

static void
screen_watch_faults(void)
{
    static const int faults[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGQUIT };
    const struct sigaction caught = { .sa_handler = screen_on_fault,
                                      .sa_flags = (int) SA_RESETHAND };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        sigaction(faults[i], &caught, NULL);
    }
}

/* Nothing but calls that a handler may make; the second time the signal does what it always did. */
static void
screen_on_fault(int number)
{
    struct termios usable;

    screen_write(screen_end);
    if (tcgetattr(STDIN_FILENO, &usable) == 0) {
        usable.c_lflag |= ECHO | ICANON | IEXTEN;
        usable.c_iflag |= IXON | ICRNL;
        usable.c_cc[VSUSP] = KEY_STOP;
        usable.c_cc[VQUIT] = KEY_QUIT;
        usable.c_cc[VMIN] = 1;
        tcsetattr(STDIN_FILENO, TCSANOW, &usable);
    }
    raise(number);
}

/* What the terminal does not take cannot be helped. */
static void
screen_write(const char *text)
{
    ssize_t written = write(STDOUT_FILENO, text, strlen(text));

    (void) written;
}
