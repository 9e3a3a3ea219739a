#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rooms.sh ROOT WORK: holds ROOT/lib and ROOT/include against rooms.txt, and every rule against its controls. TAP.
set -euo pipefail

root=$(realpath "$1")
work=$2
rules=$(dirname "$(realpath "$0")")/rooms.txt
number=0 failures=0

# Comments become blanks, so that line numbers stay.
strip_comments() {
    awk '{
        out = ""
        line = $0
        while (line != "") {
            if (inside) {
                end = index(line, "*/")
                if (!end) break
                line = substr(line, end + 2)
                inside = 0
            } else {
                start = index(line, "/*")
                if (!start) { out = out line; break }
                out = out substr(line, 1, start - 1) " "
                line = substr(line, start + 2)
                inside = 1
            }
        }
        print out
    }' "$1"
}

# The files that globs name, relative to the tree.
expand() {
    (cd "$tree" && shopt -s nullglob && for file in $1; do [ ! -f "$file" ] || echo "$file"; done)
}

# Offending lines of some files by the rule at hand, as file:number:text.
offences() {
    if [ -n "$forbid" ]; then
        grep -nHE -e "$forbid" "$@" | { if [ -n "$unless" ]; then grep -vE -e "$unless"; else cat; fi; } || true
    elif [ -n "$after" ]; then
        grep -nHE -e "$after" "$@" | while IFS=: read -r file at text; do
            sed -n "$at,$((at + 2))p" "$file" | grep -E -e "$need" >/dev/null || echo "$file:$at:$text"
        done || true
    else
        grep -nHE '^ *# *include' "$@" | while IFS= read -r line; do
            [[ $line =~ \#\ *include\ *([^ ]+) && " $include " == *" ${BASH_REMATCH[1]} "* ]] || echo "$line"
        done || true
    fi
}

verdict() { # verdict <0 or 1> <name>
    number=$((number + 1))
    if [ "$1" = 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        failures=$((failures + 1))
    fi
}

# One rule and its controls.
check_rule() {
    local found=0 file hits control
    local -a files
    mapfile -t files < <(comm -23 <(expand "$in" | sort -u) <(expand "$out" | sort -u))
    if [ ${#files[@]} = 0 ]; then
        echo "# no file matches: $in"
        found=1
    fi
    hits=$(cd "$tree" && offences "${files[@]}" /dev/null)
    if [ -n "$hits" ]; then
        sed 's/^/# /' <<<"$hits"
        found=1
    fi
    if [ -n "$include" ]; then
        for file in "${files[@]}"; do housed[$file]=1; done
    fi
    verdict $found "$rule"

    [ ${#controls[@]} -gt 0 ] || verdict 1 "$rule: has no control"
    for control in "${controls[@]}"; do
        file=${control%%: *}
        { [ -f "$tree/$file" ] && cat "$tree/$file"; echo "${control#*: }"; } >"$work/planted"
        if [[ " ${files[*]} " == *" $file "* ]] &&
            offences "$work/planted" | grep -F -e ":${control#*: }" >/dev/null; then
            verdict 0 "reported: $control"
        else
            echo "# not reported by: $rule"
            verdict 1 "reported: $control"
        fi
    done
}

tree=$work/tree
rm -rf "$tree"
mkdir -p "$tree"
(cd "$root" && find lib include -name '*.[ch]') | while read -r file; do
    mkdir -p "$tree/$(dirname "$file")"
    strip_comments "$root/$file" >"$tree/$file"
done

declare -A housed
rule='' in='' out='' forbid='' unless='' after='' need='' include='' controls=()
while IFS= read -r line || [ -n "$line" ]; do
    key=${line%%:*}
    value=$(sed -E 's/^[a-z]+: *//' <<<"$line")
    case $line in
    '#'*) ;;
    '')
        [ -z "$rule" ] || check_rule
        rule='' in='' out='' forbid='' unless='' after='' need='' include='' controls=()
        ;;
    control:*) controls+=("$value") ;;
    rule:* | in:* | out:* | forbid:* | unless:* | after:* | need:* | include:*) printf -v "$key" '%s' "$value" ;;
    *) echo "Bail out! rooms.txt: cannot read '$line'" && exit 2 ;;
    esac
done <"$rules"
[ -z "$rule" ] || check_rule

# Whoever adds a file says on which floor it stands.
homeless=0
for file in $(cd "$tree" && ls lib/*/*); do
    if [ -z "${housed[$file]:-}" ]; then
        echo "# no rule of rooms.txt says what $file may include"
        homeless=1
    fi
done
verdict $homeless "every file of the libraries has a floor"

echo "1..$number"
[ $failures = 0 ]
