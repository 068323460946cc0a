/** Runs after the setup of all tests: properties end early, because every mutant runs them again. */
import fc from "fast-check"

fc.configureGlobal({ ...fc.readConfigureGlobal(), interruptAfterTimeLimit: 200 })
