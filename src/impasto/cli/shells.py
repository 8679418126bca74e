"""Completion scripts for bash, zsh and fish: click's own protocol, and files by their suffixes.

Click asks a shell either to complete any file or none. Here an item may stand for the files with
some suffixes and for folders (:data:`impasto.cli.completion.FILES`): zsh and fish find them by
their own means; for bash, which quotes names but cannot choose among them, they are listed here.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import ClassVar

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

from impasto.cli.completion import FILES
from impasto.cli.lines import say

VARIABLE = "_IMPASTO_COMPLETE"
"""The environment variable in which a completion script passes its request."""

# Bash before 4.4 (macOS has 3.2) cannot keep the order of items, and before 4.0 cannot set for each
# word whether files are meant.
_BASH = """\
%(complete_func)s() {
    local type value response
    COMPREPLY=()
    response=$(IFS=$'\\n' && COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \
%(complete_var)s=bash_complete "$1")
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            path) compopt -o filenames 2>/dev/null; COMPREPLY+=("$value") ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done <<< "$response"
}

complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -o default -o filenames -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a names described response
    local type key text
    (( ! $+commands[%(prog_name)s] )) && return 1

    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
%(complete_var)s=zsh_complete %(prog_name)s)}")

    for type key text in ${response}; do
        case $type in
            plain)
                if [[ $text == _ ]]; then names+=("$key"); else described+=("$key":"$text"); fi ;;
            dir) _path_files -/ ;;
            file) _files ;;
            files) _files -g "*.(#i)($key)(-.)" ;;
        esac
    done

    (( $#described )) && _describe -V unsorted described -U
    (( $#names )) && compadd -U -V unsorted -a names
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = """\
function %(complete_func)s
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \
COMP_CWORD=(commandline -t) %(prog_name)s)
    for completion in $response
        set -l metadata (string split --max 1 "," -- $completion)
        switch $metadata[1]
            case dir
                __fish_complete_directories $metadata[2]
            case file
                complete --do-complete "'' "(commandline -ct)
            case files
                set -l all (complete --do-complete "'' "(commandline -ct))
                set -l some (string match --regex --ignore-case -- \
"^.+(?:/|\\.(?:$metadata[2]))(?:\\t.*)?\\$" $all)
                test (count $some) -gt 0; and set all $some
                printf "%%s\\n" $all
            case plain
                echo $metadata[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class Bash(BashComplete):
    """Completion for bash, in which files are listed here."""

    source_template: ClassVar[str] = _BASH

    @staticmethod
    def _check_version() -> None:
        """Accept every bash: the script supports old ones."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return the items, with those that stand for files replaced by the names of the files."""
        found: list[CompletionItem] = []
        for item in super().get_completions(args, incomplete):
            if item.type == FILES:
                names = _listed(item.value, item.suffixes)
                found += [CompletionItem(name, type="path") for name in names]
            else:
                found.append(item)
        # If none fits, a file with another suffix is wanted: the shell completes it by itself.
        return found or [CompletionItem(incomplete, type="file")]


class Zsh(ZshComplete):
    """Completion for zsh, which finds files by a pattern."""

    source_template: ClassVar[str] = _ZSH

    def format_completion(self, item: CompletionItem) -> str:
        """Write an item as three lines."""
        return super().format_completion(_pattern(item))


class Fish(FishComplete):
    """Completion for fish, which finds files by a pattern."""

    source_template: ClassVar[str] = _FISH

    def format_completion(self, item: CompletionItem) -> str:
        """Write an item as a line."""
        return super().format_completion(_pattern(item))


SHELLS: dict[str, type[ShellComplete]] = {each.name: each for each in (Bash, Zsh, Fish)}
"""The shells by their names."""


def register() -> None:
    """Register these classes with click."""
    for shell in SHELLS.values():
        add_completion_class(shell)


def script(shell: str) -> str:
    """Return the script that a shell runs to complete the words of ``impasto``.

    Args:
        shell: a name in ``SHELLS``.

    Example:
        >>> "compopt" in script("bash")
        True
    """
    return SHELLS[shell](click.Command("impasto"), {}, "impasto", VARIABLE).source()


@click.command("completion")
@click.argument("shell", type=click.Choice([*SHELLS]))
def completion_command(shell: str) -> None:
    """Print the shell completion script for this command.

    The Tab key then completes commands, options, styles, models, engines and files. Put the line
    of your shell into its start-up file:

    \b
    eval "$(impasto completion bash)"      # ~/.bashrc
    eval "$(impasto completion zsh)"       # ~/.zshrc
    impasto completion fish | source       # ~/.config/fish/config.fish
    """
    for line in script(shell).splitlines():
        say(line)


def _pattern(item: CompletionItem) -> CompletionItem:
    """An item of files, with its suffixes as shells write alternatives: jpg|png."""
    if item.type != FILES:
        return item
    return CompletionItem("|".join(each.removeprefix(".") for each in item.suffixes), type=FILES)


def _listed(incomplete: str, suffixes: Collection[str]) -> list[str]:
    """The folders, and the files with these suffixes, whose names begin with an incomplete one."""
    folder, start = os.path.split(incomplete)
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:  # noqa: PTH111
            found = [
                os.path.join(folder, each.name)  # noqa: PTH118
                for each in entries
                if each.name.startswith(start)
                and (start or not each.name.startswith("."))
                and "\n" not in each.name  # which would be read as two answers
                and (each.name.lower().endswith(tuple(suffixes)) or each.is_dir())
            ]
    except OSError:
        return []
    return sorted(found)
