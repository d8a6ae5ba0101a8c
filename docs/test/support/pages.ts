import { existsSync, readdirSync } from 'node:fs'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the site that `npm run docs:build` builds. */
export const dist = fileURLToPath(new URL('../../.vitepress/dist', import.meta.url))

/** The paths of all pages, relative to the site's root. */
export function pages(): string[] {
  if (!existsSync(dist)) throw new Error('Expected a built site: run `npm run docs:build`')
  return readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.html') && file !== '404.html')
    .map((file) => `/${file.split(sep).join('/')}`)
}
