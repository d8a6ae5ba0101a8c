/** What is compiled. */
export interface ProgramsOptions {
  /** The folder of the programs, seen from the root of the repository. */
  from: string
  /** The packages of ours that they import, by the names of their folders, and what those import of each other. */
  packages: string[]
}

/** Programs in TypeScript, as plain `node` runs them on every version, with packages as their sources are now. */
export class Programs {
  constructor(options: ProgramsOptions)
  /** A program, by its place in the folder, without the ending. */
  path(name: string): string
  remove(): void
}
