/** The installed program `refold`: it has no definitions, so every workflow is an open one. */
import { Workflows } from "@refold/runtime"
import { run } from "./Refold.ts"

run(Workflows.layerOpen())
