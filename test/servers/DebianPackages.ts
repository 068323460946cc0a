/** Programs from the distribution's packages, on Debian and Ubuntu, without installing them and without root. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"

export interface Unpacked {
  /** Folder with the packages' files, laid out as a system root. */
  readonly root: string
  /** The packages' own libraries, for those that are not installed. */
  readonly libraryPath: string
}

/**
 * Downloads the missing packages with apt, with private lists and caches, and unpacks them. One of several processes does
 * this under the lock; the others find its result. A failure halfway leaves no result.
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

/** The first available package, with its missing dependencies; undefined without apt. */
export const unpackPackage = (title: string, packages: ReadonlyArray<string>): Unpacked | undefined => {
  if (!existsSync("/usr/bin/apt-get") || !existsSync("/usr/bin/dpkg")) return undefined
  // Within the checkout: nobody else can put files there, unlike in a shared folder.
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
