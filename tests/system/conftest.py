"""The fixtures of the system tests."""
import pytest

from harness.build import build
from harness.certificates import Certificates
from harness.teleport import Teleport, is_sanitized
from harness.tp import Tp


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Lets a fixture know whether its test has failed."""
    outcome = yield
    if outcome.get_result().when == "call":
        item.has_failed = outcome.get_result().failed


@pytest.fixture(name="make_server")
def servers_of_a_test(tmp_path, request):
    """Makes servers, each in a folder of its own, and looks them over when the test is done."""
    made = []

    def make(conf):
        made.append(Teleport(tmp_path / f"server{len(made)}", conf))
        return made[-1]

    yield make
    try:
        if not getattr(request.node, "has_failed", True):
            for server in made:
                server.stop()
    finally:
        for server in made:
            server.kill_all()


@pytest.fixture(scope="session", name="build")
def built_tree(tmp_path_factory):
    """One real build, of another configuration than the one under test: (objs, arguments)."""
    return build(tmp_path_factory.mktemp("build"))


@pytest.fixture(name="start_server")
def started_servers_of_a_test(make_server):
    def start(conf):
        return make_server(conf).start()

    return start


@pytest.fixture(name="sanitized", scope="session")
def is_build_sanitized():
    return is_sanitized()


@pytest.fixture(scope="session", name="certificates")
def certificates_of_a_run(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(name="tp")
def runs_of_a_test(tmp_path):
    runs = Tp(tmp_path)
    yield runs
    runs.end_all()
