"""Completions of the command for bash, zsh and fish."""

from __future__ import annotations

from typing import Any

_WORDS = ("grad", "explain", "draw", "compare", "check", "bench", "info", "completion")
_OPTIONS = (
    "--at",
    "--json",
    "--mode",
    "--wrt",
    "--full",
    "--format",
    "--order",
    "--output",
    "--plot",
)
_COMPLETIONS = {
    "bash": (
        "_wengert() {{ local word=${{COMP_WORDS[COMP_CWORD]}}; "
        'if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W "{words}" -- "$word")); '
        'elif [[ $word == -* ]]; then COMPREPLY=($(compgen -W "{options}" -- "$word")); '
        'else COMPREPLY=($(compgen -f -- "$word")); fi; }}\n'
        "complete -F _wengert wengert"
    ),
    "zsh": (
        "autoload -U +X bashcompinit && bashcompinit\n"
        "_wengert() {{ local word=${{COMP_WORDS[COMP_CWORD]}}; "
        'if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W "{words}" -- "$word")); '
        'elif [[ $word == -* ]]; then COMPREPLY=($(compgen -W "{options}" -- "$word")); '
        'else COMPREPLY=($(compgen -f -- "$word")); fi; }}\n'
        "complete -F _wengert wengert"
    ),
    "fish": (
        "complete -c wengert -n __fish_use_subcommand -f -a '{words}'\n"
        "complete -c wengert -n 'not __fish_use_subcommand' -a '{options}'"
    ),
}


def run_completion(options: Any) -> None:
    """Print what a shell must evaluate to complete the command."""
    text = _COMPLETIONS[options.shell]
    print(text.format(words=" ".join(_WORDS), options=" ".join(_OPTIONS)))
