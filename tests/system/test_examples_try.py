"""Examples that begin with commands to try them: the commands run, and print what is said."""
import pytest

from harness import chromium
from harness.example import EXAMPLES, Example
from harness.shown import commands_of_comment, sections_of
from harness.teleport import ROOT
from harness.wait import wait_until

LOGIN_SECONDS = 1       # logins have a rate: who asks faster would be refused
TRIED = {"device-server", "push-gateway"}


@pytest.fixture(name="make_example")
def examples_of_a_test(make_server):
    made = []

    def make(name):
        made.append(Example(make_server(""), name))
        return made[-1]

    yield make
    for example in made:
        example.end()


def test_all_that_show_commands_are_tried():
    showing = {path.stem for path in EXAMPLES.glob("*.conf")
               if commands_of_comment(path.read_text())}
    assert showing == TRIED


def test_a_device_server(make_example):
    example = make_example("device-server")
    example.run_all()
    assert "/light/on" in example.shell.printed_by(0)

    # A second one of the same name takes the place of the first.
    show = "--ca conf/certs/authority.pem --cert conf/certs/lamp-7.pem --key conf/certs/lamp-7.key"
    address = example.fill("tls://127.0.0.1:29230")
    assert "T" in example.ask(f"tp pull {address} /time {show}")
    wait_until(lambda: example.shell.started[0].poll() is not None, "the first one is told to go")

    # Who has a certificate of another authority is nobody here.
    example.ask("sh conf/examples/make-certificates.sh conf/strangers lamp-8")
    stranger = ("--ca conf/certs/authority.pem --cert conf/strangers/lamp-8.pem "
                "--key conf/strangers/lamp-8.key")
    assert "101 Connection Closed" in example.ask(f"tp pull {address} /time {stranger}")


def test_certificates_are_made_once_and_names_are_looked_at(make_example):
    example = make_example("device-server")
    make = "sh conf/examples/make-certificates.sh conf/certs"
    assert "conf/certs/lamp-7.pem\n" in example.ask(f"{make} lamp-7")
    before = (example.home / "conf/certs/lamp-7.pem").read_text()
    assert "lamp-7.pem is there already" in example.ask(f"{make} lamp-7 lamp-9")
    assert (example.home / "conf/certs/lamp-7.pem").read_text() == before
    assert (example.home / "conf/certs/lamp-9.key").stat().st_mode & 0o77 == 0
    assert "a name has letters" in example.ask(f"{make} 'lamp/O=Works'")
    assert "usage: " in example.ask(make)


def test_a_push_gateway(make_example):
    example = make_example("push-gateway")
    example.run_all()
    assert '"hello"' in example.shell.printed_by(1)

    # What the site gives, and what it does not.
    site, gateway = example.fill("http://127.0.0.1:29221"), example.fill("127.0.0.1:29220")
    assert "<title>Push gateway</title>" in example.ask(f"curl -s {site}/")
    # What came before may have used the rate of logins up.
    wait_until(lambda: "400" in example.ask(f"curl -s -d 'A N N' {site}/login"), "a name is refused")
    assert "404" in example.ask(f"curl -s {site}/api/say --json 1")
    assert "401" in example.ask(f"curl -s http://{gateway}/who")
    assert example.ask(f"tp pull ws://{gateway}/ /who --credentials conf/ann.token") == "ann"

    # What operators see, in a browser and by scripts.
    numbers = example.fill("http://127.0.0.1:29223")
    assert "<title>Teleport" in example.ask(f"curl -s {numbers}/")
    assert '"routes"' in example.ask(f"curl -s {numbers}/stats")

    # A secret that is not the backend's, and one who is not a backend, push nothing.
    push = example.fill("http://127.0.0.1:29222/control/push")
    assert "401" in example.ask(f"curl -s -u backend:no {push} --json '{{}}'")
    assert "401" in example.ask(
        f'curl -s -H "Authorization: Bearer $(cat conf/ann.token)" {push} --json "{{}}"')


def test_the_readme_leads_to_an_observed_gateway(make_example):
    example = make_example("push-gateway")
    shown = sections_of(example.fill((ROOT / "README.md").read_text()))
    example.shell.run_all(shown["From nothing to an observed gateway"])
    assert '"hello"' in example.shell.printed_by(1)


def test_two_pages_talk_by_the_gateway(make_example, tmp_path):
    if chromium.PROGRAM is None:
        pytest.skip("there is no chromium: ./configure --install-deps")
    example = make_example("push-gateway")
    for shown in example.commands[:5]:
        example.shell.run(shown)
    wait_until(lambda: "." in example.ask("curl -s --fail -d x http://127.0.0.1:29221/login"),
               "the backend answers", pause_seconds=LOGIN_SECONDS)
    pages = {}
    try:
        for name in ("ann", "bob"):
            pages[name] = chromium.Chromium(tmp_path / name)
            pages[name].open(example.fill("http://127.0.0.1:29221/"))
            assert forms_seen(pages[name]) == ["login"]
            pages[name].run(f'document.forms.login.elements.name.value = "{name}";'
                            'document.querySelector("#login button").click()')
            pages[name].wait_for('document.getElementById("state").dataset.state === "open"')
        assert forms_seen(pages["ann"]) == ["say"]
        say(pages["ann"], "bob", "<b>hi</b>")
        pages["bob"].wait_for('document.querySelectorAll("#messages li").length === 1')
        assert first_message(pages["bob"]) == "ann: <b>hi</b>"
        say(pages["ann"], "carol", "hi")
        pages["ann"].wait_for('document.querySelectorAll("#messages .failed").length === 1')
        assert first_message(pages["ann"]) == "to carol: carol is not there"
    finally:
        for page in pages.values():
            page.close()


def forms_seen(page):
    return page.run('[...document.forms].filter((form) => form.offsetParent !== null)'
                    '.map((form) => form.id)')


def say(page, name, text):
    page.run(f'document.forms.say.elements.to.value = "{name}";'
             f'document.forms.say.elements.text.value = "{text}";'
             'document.querySelector("#say button").click()')


def first_message(page):
    return page.run('document.querySelector("#messages li").textContent')
