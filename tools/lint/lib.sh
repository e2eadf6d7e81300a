# Shared by the checks: sourced, never run.
#
# A check is a script with a function check DIR that prints what is wrong and returns 1, and a
# function self_test that proves, on a tree of its own, that the check can fail. The last line of
# each is: lint_main "$@"
lint_name=$(basename "$0" .sh)

# lint_main [--self-test] [ARGUMENT...]: run the check, or its proof.
lint_main() {
    if [ "${1:-}" = --self-test ]; then
        lint_tmp=$(mktemp -d)
        trap 'rm -rf "$lint_tmp"' EXIT
        self_test "$lint_tmp"
        echo "$lint_name: self-test ok"
    else
        check "$@"
        echo "$lint_name: ok"
    fi
}

# must_fail WHAT ARGUMENT...: the self-test asserts that the check, run anew, sees a fault.
must_fail() {
    local what=$1
    shift
    if bash "$0" "$@" >"$lint_tmp/out" 2>&1; then
        echo "$lint_name: self-test: $what was not seen" >&2
        exit 1
    fi
}

must_pass() {
    local what=$1
    shift
    if ! bash "$0" "$@" >"$lint_tmp/out" 2>&1; then
        echo "$lint_name: self-test: $what was refused:" >&2
        cat "$lint_tmp/out" >&2
        exit 1
    fi
}

# code_files DIR: every C file of the project, one a line.
code_files() {
    (cd "$1" && find schema sync server handheld-sdk tools tests -name '*.[ch]' -type f \
        2>/dev/null | sort)
}
