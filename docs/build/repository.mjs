// @ts-check
import { fileURLToPath } from 'node:url'

/** The repository's folder. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

const { GITHUB_SERVER_URL = 'https://github.com', GITHUB_REPOSITORY = 'forksafe/forksafe' } =
  process.env

/** The URL of the repository, without a trailing slash. */
export const repository = `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`
