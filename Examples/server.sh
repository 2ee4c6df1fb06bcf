# For the examples, to be sourced. Afterwards `needlectl` speaks to a server: the one whose admin socket
# NEEDLETAIL_ADMIN_SOCKET names or the default one if it runs, else one that is started here, on ports of its own, and
# ends with the example. `finally COMMAND` says what is to be done at the end, whatever that is.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=${NEEDLETAIL_BIN_FOLDER:-$root/.build/release}
work=$(mktemp -d)
endings=()
finally() { endings=("$*" "${endings[@]}"); }
finish() {
  trap - EXIT INT TERM
  local ending
  for ending in "${endings[@]}"; do eval "$ending" >/dev/null 2>&1 || true; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

needlectl() { "$bin/needlectl" "$@"; }

need() {
  local program
  for program; do
    command -v "$program" >/dev/null || { echo "$program is missing: apt-get install ${packages[$program]}" >&2; exit 1; }
  done
}
declare -A packages=([gst-launch-1.0]="gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good" [ffmpeg]=ffmpeg)

[ -x "$bin/needletail" ] && [ -x "$bin/needlectl" ] || { echo "Build first: make build" >&2; exit 1; }
if ! needlectl status >/dev/null 2>&1; then
  export NEEDLETAIL_ADMIN_SOCKET=$work/admin.sock
  (cd "$root" && exec "$bin/needletail" --dev --port 9443 --media-port 9478) >"$work/server.log" 2>&1 &
  server=$!
  finally "kill $server; wait $server"
  for _ in $(seq 100); do
    needlectl status >/dev/null 2>&1 && break
    kill -0 "$server" 2>/dev/null || { cat "$work/server.log" >&2; exit 1; }
    sleep 0.1
  done
fi
field() { sed -nE "s/.*\"$1\":\"?([^\",}]*).*/\1/p"; }
url=$(needlectl status --json | field url)
media_port=$(needlectl status --json | field mediaPort)
