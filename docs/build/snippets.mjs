// @ts-check
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './repository.mjs'

/**
 * A fenced block, and the comment above it: the file that it shows, a region of it, or the reason why it shows none.
 *
 *     <!-- examples/src/quick-start.ts -->
 *     <!-- examples/src/start/pg.ts#pool -->
 *     <!-- no example: a fragment of C -->
 *
 * @typedef {{ line: number, language: string, source?: string | undefined, excuse?: string | undefined, body: string }} Block
 */

const fence =
  /(?:<!-- (?:no example: ([^\n]*?)|([^\s:]+)) -->\n\n?)?^([ \t]*)```(\w*)[^\n]*\n([\s\S]*?)^\3```/gm

/** Matches the sources of snippets: folders whose files are compiled, and run by a test. */
const sources = /^(examples|libraries)\/(src|test)\/|^packages\/[\w-]+\/test\//

/**
 * @param {string} markdown
 * @returns {Block[]}
 */
export function blocks(markdown) {
  return [...markdown.matchAll(fence)].map((match) => {
    const [, excuse, source, , language = '', body = ''] = match
    return {
      line: markdown.slice(0, match.index).split('\n').length,
      language,
      source,
      excuse,
      body,
    }
  })
}

/**
 * Returns the required text of a snippet.
 * @param {string} source a file, from the root of the repository, and perhaps a region of it, which may have several parts
 */
export function excerpt(source) {
  if (!sources.test(source)) throw new Error(`${source}: expected a file that is compiled and run`)
  const [path = '', region] = source.split('#')
  const text = readFileSync(join(root, path), 'utf8')
  if (region === undefined) return text
  const marked = new RegExp(`^([ \\t]*)// #region ${region}\\n([\\s\\S]*?)^\\1// #endregion`, 'gm')
  const parts = [...text.matchAll(marked)].map(([, indent = '', part = '']) =>
    part
      .replaceAll(new RegExp(`^${indent}`, 'gm'), '')
      .replaceAll(/^.*\/\/ #(end)?region.*\n/gm, ''),
  )
  if (parts.length === 0) throw new Error(`${path} has no region ${region}`)
  return parts.join('\n')
}

/**
 * Returns the text with all snippets updated from their files.
 * @param {string} markdown
 */
export function filled(markdown) {
  return markdown.replaceAll(fence, (block, _excuse, source, indent, _language, body) => {
    if (source === undefined) return block
    const end = `${indent}\`\`\``
    return block.slice(0, -(body.length + end.length)) + excerpt(source) + end
  })
}
