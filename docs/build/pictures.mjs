// @ts-check
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * A picture that is an SVG of ours becomes part of the page: there it has the colours of the page, light or dark, and its
 * words can be searched, chosen and read aloud. On GitHub it is a picture like any other.
 * @param {import('vitepress').MarkdownRenderer} md
 */
export function inlinePictures(md) {
  const { image } = md.renderer.rules
  md.renderer.rules.image = (tokens, index, options, env, self) => {
    const source = tokens[index]?.attrGet('src') ?? ''
    if (/^[^:]+\.svg$/.test(source)) return inlined(join(dirname(env.path), decodeURI(source)))
    return image?.(tokens, index, options, env, self) ?? ''
  }
}

/** @param {string} file */
function inlined(file) {
  const svg = readFileSync(file, 'utf8')
  // The site's style sheet has it: Vue takes none out of a page. Between lines, Markdown would begin a paragraph.
  const bare = svg.replace(/<style>[\s\S]*?<\/style>/, '').replace(/\n\s*/g, '')
  return `<span class="picture" v-pre>${bare}</span>`
}
