// @ts-check
import { existsSync, statSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { repository, root } from './repository.mjs'

const docs = fileURLToPath(new URL('..', import.meta.url))

/**
 * A link to a file of the repository that is no page of the site leads to where the repository can be read. One to a file
 * that is not there fails the build, as VitePress does for pages.
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
 * @returns {string | undefined} where the link leads instead; `undefined` if it stays as it is
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
