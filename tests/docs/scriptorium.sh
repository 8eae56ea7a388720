#!/bin/sh
# The command as a page's reader runs it: on the system of the test where the page names no folder.
# What serves until Ctrl-C runs in the background, until the page has ended.
case " $* " in
    *" --data-dir "*) set -- "$@" ;;
    *) set -- "$@" --data-dir "$DATA_DIR" ;;
esac
if [ "$1" != up ]; then
    exec "$ROOT/bin/scriptorium" "$@"
fi
shift
out=$(mktemp)
setsid "$ROOT/bin/scriptorium" up "$@" >"$out" 2>&1 &
echo "$!" >>"$(dirname "$0")/../started"
for _ in $(seq 600); do
    grep -q '^ready' "$out" && exit 0
    kill -0 "$!" 2>/dev/null || break
    sleep 0.2
done
cat "$out"
exit 1
