"""The supervisor's configuration: what a person or a path may contain must not change its meaning."""

import configparser
import shlex
from pathlib import Path

from deploy.supervision import LONGEST_SOCKET_PATH, Program, render, socket_path


def _render(*programs: Program, run_dir: Path = Path("/srv/crm/run")) -> configparser.ConfigParser:
    text = render(programs, run_dir=run_dir, log_dir=run_dir / "logs", socket=run_dir / "s.sock")
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";", "#"))
    parser.read_string(text)
    return parser


def _program(*command: str) -> Program:
    return Program("api", command, Path("/srv/crm"), Path("/srv/crm/logs/api.log"))


def test_a_command_survives_spaces_quotes_and_percent_signs() -> None:
    command = ("/opt/my python", "-c", "log_line_prefix=%m [%p] ", "it's")
    written = _render(_program(*command))["program:api"]["command"]
    assert shlex.split(written.replace("%%", "%")) == list(command)
    assert "%m" not in written.replace("%%m", "")


def test_processes_start_on_demand_and_come_back_when_they_end() -> None:
    section = _render(_program("true"))["program:api"]
    assert (section["autostart"], section["autorestart"]) == ("false", "true")


def test_the_control_socket_is_for_its_owner_only() -> None:
    config = _render()
    assert config["unix_http_server"]["chmod"] == "0600"
    assert "inet_http_server" not in config


def test_the_socket_moves_where_the_state_folder_is_too_deep_for_one(tmp_path: Path) -> None:
    shallow = Path("/srv/crm/run")
    assert socket_path(shallow) == shallow / "supervisor.sock"
    deep = tmp_path / ("x" * LONGEST_SOCKET_PATH) / "run"
    assert len(str(socket_path(deep))) <= LONGEST_SOCKET_PATH
    assert socket_path(deep) != socket_path(deep / "other")
