import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's folder, found from the sources or from `dist`. */
export const root = ancestorWith('pnpm-workspace.yaml')

function ancestorWith(file: string): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, file))) folder = dirname(folder)
  return folder
}
