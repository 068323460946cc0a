/** After the setup of all tests: a property ends early, since every mutant runs it again. */
import fc from "fast-check"

fc.configureGlobal({ ...fc.readConfigureGlobal(), interruptAfterTimeLimit: 200 })
