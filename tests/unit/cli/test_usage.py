"""Whatever is typed, the answer is a sentence and an exit code that means what it says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from svcform.cli.console import is_ci
from svcform.cli.main import build, main


@pytest.mark.parametrize(
    "words, hint",
    [
        (["plan", "--limti", "a"], "--limti is not known. Did you mean --limit?"),
        (["plan", "--auto-aprove"], "is not known"),
        (["apply", "--auto-aprove"], "Did you mean --auto-approve?"),
        (["plan", "--detailed-exitcodes"], "Did you mean --detailed-exitcode?"),
        (["plam"], "invalid choice: 'plam'"),
        (["plan", "-f", "0"], "not a whole number of at least 1"),
        (["plan", "-o", "xml"], "invalid choice: 'xml'"),
        ([], "required: COMMAND"),
        (["plan", "--out"], "expected one argument"),
        (["dns", "query", "web.default.svc.cluster.local", "AA"], "AA is no type of DNS records"),
    ],
)
def test_a_mistyped_command_line_is_1_and_says_so(svcform, words, hint):
    code, out, err = svcform(*words)

    assert code == 1
    assert hint in err
    assert out == ""
    assert "Traceback" not in err


def test_flags_are_never_guessed_from_their_beginnings(svcform):
    assert svcform("plan", "--lim", "a")[0] == 1


@pytest.mark.parametrize("words", [["-out=x.plan"], ["--out", "x.plan"], ["-out", "x.plan"]])
def test_terraforms_way_to_name_the_plan_file_is_taken(words):
    arguments = build()[0].parse_args(["plan", *words])

    assert str(arguments.out) == "x.plan"


def test_ansibles_flags_are_taken():
    words = ["plan", "-i", "a.yml", "-i", "b", "-l", "web", "-e", "x=1", "-f", "8"]
    words += ["-k", "-K", "-u", "ops", "--become-password-file", "f"]

    arguments = build()[0].parse_args([*words, "--vault-password-file", "v"])

    assert arguments.inventory == ["a.yml", "b"]
    assert (arguments.limit, arguments.forks, arguments.user) == ("web", 8, "ops")


@pytest.mark.parametrize("name", sorted(build()[1]))
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])

    assert left.value.code == 0
    assert "usage: svcform" in capsys.readouterr().out


def test_the_version_is_one_line(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out.startswith("svcform 0.")


def test_a_reader_that_leaves_gets_no_complaint():
    command = f"{sys.executable} -m svcform plan --help | head -c 1"

    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)

    assert done.stderr == ""


def test_it_runs_without_home_terminal_or_known_user(project):
    done = subprocess.run(
        [sys.executable, "-m", "svcform", "validate"],
        env={"PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "Valid: 1 service, 2 endpoints, 2 nodes.\n")


def in_a_shell(line, **options):
    """The command line as a shell runs it, and what came of it."""
    words = ["sh", "-c", line.replace("svcform", f"{sys.executable} -m svcform")]
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_mistake(project, closed):
    done = in_a_shell(f"svcform validate {closed}", cwd=project)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_stream_never_receives_what_a_file_should(project):
    in_a_shell("svcform render --out r >&- 2>&-", cwd=project)

    program = (project / "r/a/program.sh").read_text()
    assert program.startswith("#!/bin/sh")
    assert "Wrote" not in program


def test_a_full_disk_behind_the_output_is_said_in_a_sentence(project):
    done = in_a_shell("svcform validate > /dev/full", cwd=project)

    assert done.returncode == 1
    assert done.stderr == "svcform: The output can't be written: No space left on device.\n"


def test_a_folder_that_is_gone_is_said_in_a_sentence(tmp_path):
    done = in_a_shell("mkdir gone; cd gone; rmdir ../gone; svcform validate", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == "svcform: the current folder is gone; change to one that is there.\n"


@pytest.mark.parametrize(
    ("value", "is_one"),
    [("true", True), ("1", True), ("woodpecker", True)]
    + [(word, False) for word in ("", "0", "false", "False", " no ")],
)
def test_a_pipeline_is_where_ci_is_set_and_not_to_a_no(value, is_one):
    assert is_ci({"CI": value}) is is_one
    assert is_ci({}) is False


@pytest.mark.parametrize(
    "words", [["history", "a"], ["unlock", "a"], ["rollback", "a", "--auto-approve"]]
)
def test_a_node_that_can_not_be_read_is_one_document(words, project, svcform):
    inventory = project / "inventory.yml"
    text = inventory.read_text().replace("192.0.2.11", "127.0.0.1")
    inventory.write_text(text)
    code, out, err = svcform(*words, "-e", "ansible_port=1", "-o", "json")
    found = json.loads(out)
    assert (code, found["kind"], found["exit_code"]) == (4, "error", 4)
    assert found["node"]["name"] == "a"
    assert found["node"]["reason"] == "unreachable"
    assert found["message"] in err


@pytest.fixture
def unreachable(project):
    """The project's nodes have nobody behind their port."""
    inventory = project / "inventory.yml"
    text = (
        inventory.read_text().replace("192.0.2.11", "127.0.0.1").replace("192.0.2.12", "127.0.0.2")
    )
    inventory.write_text(text)
    return ("-e", "ansible_port=1")


@pytest.mark.parametrize("words, code", [(["--expect", "0" * 64], 3), (["--auto-approve"], 4)])
def test_an_apply_that_applies_nothing_is_one_document(unreachable, svcform, words, code):
    left, out, _ = svcform("apply", *words, "--allow-unreachable", *unreachable, "-o", "json")

    found = json.loads(out)
    assert (left, found["kind"], found["exit_code"]) == (code, "plan", code)
    assert {node["problem"]["reason"] for node in found["nodes"]} == {"unreachable"}


def test_a_refused_plan_is_not_offered_and_no_flag_makes_it_good(unreachable, svcform):
    code, _, err = svcform("plan", *unreachable, "--out", "x.svcplan")
    assert (code, "it was refused." in err, "carry out exactly" in err) == (4, True, False)

    code, _, err = svcform("apply", "x.svcplan", "--allow-unreachable")

    assert code == 1
    assert "--allow-unreachable belongs to `plan`. Plan again with it." in err
    assert "--expect is for" in svcform("apply", "x.svcplan", "--expect", "0" * 64)[2]


def test_a_limit_that_leaves_nothing_of_a_saved_plan_says_so(unreachable, svcform):
    svcform("plan", *unreachable, "--limit", "a", "--allow-unreachable", "--out", "x.svcplan")

    code, _, err = svcform("apply", "x.svcplan", "--limit", "b")

    assert (code, "The plan has none of these nodes; it has a." in err) == (1, True)


def test_a_mistyped_node_hears_of_the_nearest_and_nobody_of_another_commands_way(project, svcform):
    for command in ("history", "unlock", "rollback", "trust"):
        code, _, err = svcform(command, "bb")
        assert code == 1
        assert "bb is no node that a play of this project chooses. Did you mean b?" in err
    code, _, err = svcform("rollback", "a")
    assert (code, err) == (
        1,
        "svcform: Nothing was touched: there is no terminal to ask on. Use --auto-approve.\n",
    )
    assert "`svcform plan --destroy --out FILE`" in svcform("destroy")[2]
