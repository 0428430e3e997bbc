"""Completions of the command for bash, zsh and fish, read off its parser."""

from __future__ import annotations

import argparse
from typing import Any

_BASH = """\
_wengert() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} options=
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "{commands}" -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{cases}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _wengert wengert"""
_ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"


def run_completion(options: Any) -> None:
    """Print what a shell must evaluate to complete the command."""
    commands = _commands(options.parser)
    if options.shell == "fish":
        print(_fish(commands))
        return
    cases = "\n".join(
        f"    {name}) options='{' '.join(flag for flags, _ in entries for flag in flags)}' ;;"
        for name, (_, entries) in commands.items()
    )
    text = _BASH.format(commands=" ".join(commands), cases=cases)
    print(_ZSH + text if options.shell == "zsh" else text)


Entries = list[tuple[list[str], str]]


def _commands(parser: argparse.ArgumentParser) -> dict[str, tuple[str, Entries]]:
    """Return each subcommand with its help and its options: their spellings and their help."""
    (action,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    texts = {choice.dest: choice.help or "" for choice in action._choices_actions}
    return {
        name: (
            texts[name],
            [(a.option_strings, a.help or "") for a in made._actions if a.option_strings],
        )
        for name, made in action.choices.items()
    }


def _fish(commands: dict[str, tuple[str, Entries]]) -> str:
    lines = []
    for name, (text, entries) in commands.items():
        lines.append(f"complete -c wengert -n __fish_use_subcommand -f -a {name} -d '{text}'")
        for flags, description in entries:
            spelled = " ".join(
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in flags
            )
            shown = description.replace("'", "")
            lines.append(
                f"complete -c wengert -n '__fish_seen_subcommand_from {name}' {spelled} "
                f"-d '{shown}'"
            )
    return "\n".join(lines)
