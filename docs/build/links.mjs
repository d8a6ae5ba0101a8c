// @ts-check
import { existsSync, statSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { repository, root } from './repository.mjs'

const docs = fileURLToPath(new URL('..', import.meta.url))

/**
 * Makes links to files of the repository that are not pages of the site lead to the repository's host. A link to a missing
 * file fails the build, as VitePress does for pages.
 * @param {import('vitepress').MarkdownRenderer} md
 */
export function repositoryLinks(md) {
  md.core.ruler.push('repository-links', ({ tokens, env }) => {
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      if (token.type !== 'link_open') continue
      const target = elsewhere(env.path, token.attrGet('href') ?? '')
      if (target !== undefined) token.attrSet('href', target)
    }
  })
}

/**
 * @param {string} page the page's file
 * @param {string} href
 * @returns {string | undefined} the new target of the link; `undefined` if it is unchanged
 */
export function elsewhere(page, href) {
  if (!/^\.{0,2}[\w@]|^\.{1,2}\//.test(href) || /^[a-z]+:/i.test(href)) return undefined
  const [path = '', anchor] = href.split('#')
  const file = join(dirname(page), decodeURI(path))
  if (file.startsWith(docs) && /\.md$|\/$/.test(path)) return undefined
  if (!file.startsWith(root)) throw new Error(`${page}: ${href} leads out of the repository`)
  if (!existsSync(file)) throw new Error(`${page}: dead link ${href}`)
  const kind = statSync(file).isDirectory() ? 'tree' : 'blob'
  const hash = anchor === undefined ? '' : `#${anchor}`
  return `${repository}/${kind}/main/${relative(root, file).split(sep).join('/')}${hash}`
}
