// @ts-check
import { fileURLToPath } from 'node:url'

/** The repository's folder. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

const { GITHUB_SERVER_URL = 'https://github.com', GITHUB_REPOSITORY = 'forksafe/forksafe' } =
  process.env

/** Where the repository can be read, without a slash at the end. */
export const repository = `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`
