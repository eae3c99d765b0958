# Sourced by the scripts beside it: they print `ok NAME`, `FAIL NAME: WHY` or `skipped: NAME: WHY`, at the end `done`.

is() { # NAME GOT WANTED
    if [ "$2" = "$3" ]; then echo "ok $1"; else echo "FAIL $1: ${2:-nothing}, not ${3:-nothing}"; fi
}

# Ten times a second; the bound is for what never comes, not for a busy machine.
until_true() {
    local try
    for try in $(seq 3000); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
    return 1
}
