/** Programs out of the distribution's packages, on Debian and Ubuntu: nothing is installed, no root is needed. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"

export interface Unpacked {
  /** Where the packages' files lie, as in the root of a system. */
  readonly root: string
  /** The packages' own libraries, in place of those that are not there. */
  readonly libraryPath: string
}

/**
 * Asks apt for the packages that are missing here, in lists and caches of our own, and unpacks them. One of several
 * processes does it, under the lock, and the others find its result; what failed halfway leaves no result.
 */
const unpack = `
set -e
folder=$1
title=$2
shift 2
test -d "$folder/root" && exit 0
echo "Refold's tests unpack the distribution's $title into $folder; nothing is installed." >&2
mkdir -p lists/partial archives/partial
apt() {
  apt-get -qq -o Debug::NoLocking=true -o APT::Sandbox::User= -o Dir::State::lists="$folder/lists" \\
    -o Dir::Cache::archives="$folder/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@" >&2
}
apt update
for package in "$@"; do
  apt install -y --download-only --no-install-recommends "$package" && break
done
rm -rf root.new
mkdir root.new
for package in archives/*.deb; do dpkg -x "$package" root.new; done
mv root.new root
rm -rf lists archives
`

/** The first of these packages that there is, with what it needs and is missing here; undefined where there is no apt. */
export const unpackPackage = (title: string, packages: ReadonlyArray<string>): Unpacked | undefined => {
  if (!existsSync("/usr/bin/apt-get") || !existsSync("/usr/bin/dpkg")) return undefined
  // Within the checkout: what lies there is ours, unlike what somebody may have laid ready in a shared folder.
  const cache = join(import.meta.dirname, "..", "..", "node_modules", ".cache")
  const folder = join(cache, `refold-${title.toLowerCase()}`)
  mkdirSync(folder, { recursive: true })
  const { status } = spawnSync(
    "flock",
    [join(folder, "lock"), "sh", "-c", unpack, "unpack", folder, title, ...packages],
    { cwd: folder, stdio: ["ignore", "ignore", "inherit"] }
  )
  if (status !== 0) return undefined
  const root = join(folder, "root")
  const { stdout } = spawnSync("dpkg-architecture", ["-qDEB_HOST_MULTIARCH"], { encoding: "utf8" })
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64"
  return { root, libraryPath: join(root, "usr", "lib", stdout?.trim() || `${machine}-linux-gnu`) }
}
