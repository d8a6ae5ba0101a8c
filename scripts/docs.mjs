// @ts-check
// `npm run docs:build`: builds the site in docs/.vitepress/dist.
import { setup } from './setup.mjs'
import { environment, root, run } from './tools.mjs'

try {
  await setup()
  const args = [`${root}docs/build.mjs`]
  await run('Building the site', { command: process.execPath, args, env: environment() })
  console.log('The site is in docs/.vitepress/dist')
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
