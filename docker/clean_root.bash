#!/usr/bin/env bash
# Follows docker/Dockerfile.wm without a Docker engine: it runs the file's instructions one by one in a clean Debian root, with
# Debian's own Python 3.11 in place of the base image's, and DEVICE=cpu. Then, as the image's user, with no network and a
# container's 64 MB of shared memory, it runs both launch scripts at smoke scale, and JupyterLab, which must refuse requests without
# the token.
#   sudo bash docker/clean_root.bash FOLDER               # makes FOLDER/root, 4 GB; half an hour
#   sudo MIRROR=URL bash docker/clean_root.bash FOLDER    # takes Debian's packages from URL; default: this machine's mirror
# FOLDER/debian.tar and FOLDER/pip are kept, so that the next run downloads nothing. Needs debootstrap and iproute2. The root gets
# this machine's pip settings, as build arguments would pass them. This does not show that `docker build` accepts the file, nor that
# a GPU is found.
set -euo pipefail
fail() { echo "error: clean_root.bash: $*" >&2; exit 2; }
[[ $# -eq 1 && "$1" != -* ]] || fail "expected one folder, received '$*': sudo bash docker/clean_root.bash FOLDER"
[[ $EUID -eq 0 ]] || fail "expected root, for debootstrap and chroot, received $(id -un): sudo bash docker/clean_root.bash $1"
for tool in debootstrap ip unshare; do
  command -v "$tool" > /dev/null || fail "expected the command $tool, found none: apt-get install debootstrap iproute2 util-linux"
done
folder="$(realpath -m "$1")" root="$(realpath -m "$1")/root"
if [[ -z "${CLEAN_ROOT_ALONE:-}" ]]; then
  [[ ! -e "$root" ]] || fail "expected no $root, found one: remove it, or name another folder"
  # In namespaces of its own, so that mounts and processes end with the script whatever happens.
  CLEAN_ROOT_ALONE=1 exec unshare --mount --pid --fork --kill-child bash "${BASH_SOURCE[0]}" "$@"
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

arguments=(DEVICE=cpu) # of the build, as --build-arg sets them
build=()               # the Dockerfile's ARGs and this machine's settings: for RUN only, not for the container
environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
user=0 workdir=/

# Runs a command in the root as $user, in $workdir, with only the image's environment.
inside() {
  local home
  home="$(chroot "$root" getent passwd "$user" | cut -d: -f6)"
  chroot --userspec="$user" "$root" env --ignore-environment --chdir="$workdir" HOME="$home" "${environment[@]}" "$@"
}

# Prints this machine's pip.conf and PIP_* variables, all in the form of variables.
pip_settings() {
  python3 -m pip config list 2> /dev/null | sed -nE "s/^(global|install)\.([a-z-]+)='(.*)'$/\2 \3/p" | while read -r name value; do
    name="${name//-/_}"
    echo "PIP_${name^^}=$value"
  done
  env | grep '^PIP_' || true
}

# FROM python:3.11-slim-<release>: that release of Debian, and its Python.
base_image() {
  local release="${1##*-}" mirror="${MIRROR:-}" certificate
  mkdir -p "$root" "$folder/pip"
  if [[ ! -e "$folder/debian.tar" ]]; then
    # shellcheck disable=SC2016  # apt's own variable
    [[ -n "$mirror" ]] || mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $release" | head -n 1)"
    debootstrap --variant=minbase --include=ca-certificates,netbase,tzdata,python3,python3-venv "$release" "$root" ${mirror:+"$mirror"}
    tar --create --file "$folder/debian.tmp" --directory "$root" .
    mv "$folder/debian.tmp" "$folder/debian.tar"
  else
    tar --extract --numeric-owner --file "$folder/debian.tar" --directory "$root"
  fi
  [[ "$1" == "python:$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-"* ]] || fail "expected the Python of $1"
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  certificate="$(pip_settings | sed -n 's/^PIP_CERT=//p' | tail -n 1)"
  if [[ -f "$certificate" ]]; then install -D --mode 644 "$certificate" "$root$certificate"; fi
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t tmpfs -o size=64m,mode=1777 tmpfs "$root/dev/shm"
  mapfile -t build < <(pip_settings; env | grep -i '^https\?_proxy=' || true)
}

# ARG NAME=default
argument() {
  local given
  build+=("$1")
  for given in "${arguments[@]}"; do [[ "${given%%=*}" != "${1%%=*}" ]] || build+=("$given"); done
}

# Expands the build's and the image's variables in a text.
expanded() { inside env "${build[@]}" sh -c "printf '%s\n' $1"; }

# RUN [--mount=type=cache,target=FOLDER,...] command; the cache is pip's, and is kept outside the root.
run() {
  local text="$1" target=""
  if [[ "$text" =~ ^--mount=type=cache,target=([^,]+),[^\ ]*\ (.*)$ ]]; then
    target="$root${BASH_REMATCH[1]}" text="${BASH_REMATCH[2]}"
    mkdir -p "$target" && chmod 0777 "$folder/pip" && mount --bind "$folder/pip" "$target"
  fi
  inside env "${build[@]}" sh -c "$text"
  if [[ -n "$target" ]]; then umount "$target" && rmdir "$target"; fi
}

# COPY --chown=USER:USER sources folder, except what .dockerignore names.
copy() {
  local source destination="${*: -1}" owner="${1#--chown=}"
  [[ "$1" == --chown=* ]] || fail "expected COPY --chown, found 'COPY $*'"
  for source in "${@:2:$#-2}"; do
    local from=(--directory . "$source")
    if [[ -f "$source" ]]; then from=(--directory "$(dirname "$source")" "$(basename "$source")"); fi
    tar --create --anchored --exclude-from <(grep -v '^\(#\|\*\*/\)' .dockerignore | sed 's|^|./|') --no-anchored \
      --exclude-from <(sed -n 's|^\*\*/||p' .dockerignore) "${from[@]}" \
      | user="${owner%%:*}" inside sh -c "mkdir -p '$destination' && tar --extract --directory '$destination'"
  done
}

# Prints the Dockerfile's instructions, one per line.
instructions() { sed '/^ *#/d; /^ *$/d' docker/Dockerfile.wm | sed ':line; /\\$/{N; s/\\\n */ /; b line}'; }

while read -r instruction rest <&3; do
  echo; echo "=== $instruction $rest"
  case "$instruction" in
    FROM) base_image "$rest" ;;
    ARG) argument "$rest" ;;
    ENV) mapfile -t -O "${#environment[@]}" environment < <(expanded "$rest") ;;
    RUN) run "$rest" ;;
    USER) user="$(expanded "$rest")" ;;
    WORKDIR) workdir="$rest" ;;
    COPY) read -ra words <<< "$rest"; copy "${words[@]}" ;;
    CMD) [[ "$rest" == '["bash"]' ]] || fail "expected CMD [\"bash\"], found $rest" ;;
    VOLUME | EXPOSE) ;;
    *) fail "expected an instruction that this script knows, found $instruction: add it here" ;;
  esac
done 3< <(instructions)

# Runs a command as the container would: with only a loopback network, and nothing from the build.
alone() {
  unshare --net bash -c "$(declare -f inside; declare -p user root workdir environment); ip link set lo up; inside \"\$@\"" - "$@"
}

echo; echo "=== in the container"
alone sh -c '[ "$(id -u)" != 0 ] && id && command -v python && du -sh /opt/venv'
alone bash launch_scripts/carracing.bash --scale smoke
alone bash launch_scripts/wm_doom.bash --scale smoke
alone sh -c 'ls -l results/*/0/evaluation.json && [ ! -e .venv ]'

# The published port is reached from outside the container. 127.0.0.2 simulates that: a server on 127.0.0.1 does not hear it.
alone python - << 'END'
import re, socket, subprocess, time, urllib.error, urllib.request

server = subprocess.Popen(["bash", "launch_scripts/notebook.bash"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
for line in server.stdout:
    print(line, end="")
    if address := re.search(r"http://127\.0\.0\.1:8888/\S*token=(\w+)", line):
        break
else:
    raise SystemExit("error: notebook.bash: expected an address with a token, received none")
for _ in range(600):  # it prints its address a moment before it listens
    with socket.socket() as knock:
        if knock.connect_ex(("127.0.0.2", 8888)) == 0:
            break
    time.sleep(0.1)


def answer(token):
    try:
        return urllib.request.urlopen(f"http://127.0.0.2:8888/api/status?token={token}").status
    except urllib.error.HTTPError as error:
        return error.code


answers = {"its token": answer(address[1]), "another": answer("0" * 48), "none": answer("")}
server.terminate()
print("JupyterLab answers, by token:", answers)
raise SystemExit(list(answers.values()) != [200, 403, 403])
END
echo; echo "Everything passed. Not tested: docker build itself, and a GPU."
