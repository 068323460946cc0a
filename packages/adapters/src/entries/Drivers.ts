/**
 * The drivers that entries of this package need. They are optional peers: a program installs those of the entries it uses.
 *
 * Node resolves every static import of a module before it runs the first one. An entry therefore loads its adapter with a
 * dynamic import, whose failure it can explain.
 */

const sqlPg = { "@effect/sql-pg": "^4.0.5" }

/** By entry: its drivers, and the versions that the manifest of this package names. */
export const drivers = {
  postgres: sqlPg,
  pglite: { ...sqlPg, "@electric-sql/pglite": "^0.5.16" },
  redis: { ioredis: "^6.0.0" },
  eventlog: { saxes: "^6.0.0", "date-fns": "^4.4.0", "@date-fns/utc": "^2.1.1" }
}

/** A driver of the entry is not installed. */
export class DriverMissing extends Error {
  override readonly name = "DriverMissing"

  constructor(entry: keyof typeof drivers, driver: string, options: ErrorOptions) {
    const wanted = Object.entries<string>(drivers[entry]).map(([name, range]) => `"${name}@${range}"`)
    super(
      `@refold/adapters/${entry} needs the package ${driver}, which is not installed. Run: npm install ${wanted.join(" ")}`,
      options
    )
  }
}

/** The modules of an entry; rejects with {@link DriverMissing} when Node does not find one of its drivers. */
export const load = <Modules>(entry: keyof typeof drivers, open: () => Promise<Modules>): Promise<Modules> =>
  open().catch((cause: unknown) => {
    const driver = Object.keys(drivers[entry]).find((name) => isNotFound(cause, name))
    throw driver === undefined ? cause : new DriverMissing(entry, driver, { cause })
  })

const isNotFound = (cause: unknown, name: string): boolean =>
  cause instanceof Error &&
  "code" in cause &&
  cause.code === "ERR_MODULE_NOT_FOUND" &&
  cause.message.includes(`'${name}'`)
