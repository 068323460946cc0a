/** One release has one version: that of the root manifest. */
import { readManifest, rootManifest, workspaces } from "./Workspace.ts"

/** Rejects unless every workspace, and every dependency of one on another, has the version of the root manifest. */
export const agree = async (): Promise<void> => {
  const { version } = rootManifest
  const manifests = workspaces.map((folder) => ({ folder, ...readManifest(folder) }))
  const names = new Set(manifests.map(({ name }) => name))
  const wrong = manifests.flatMap((manifest) => {
    const needed = Object.entries<string>({ ...manifest.dependencies, ...manifest.peerDependencies })
    return [
      ...(manifest.version === version ? [] : [`${manifest.folder} has version ${manifest.version}`]),
      ...needed.flatMap(([name, range]) =>
        names.has(name) && range !== version ? [`${manifest.folder} depends on ${name} ${range}`] : []
      )
    ]
  })
  if (wrong.length > 0)
    throw new Error([`The version of this release, in package.json, is ${version}`, ...wrong].join("\n"))
}
