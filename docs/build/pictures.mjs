// @ts-check
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Inlines our own SVG pictures into the page, where they get the colours of the page, light or dark, and their text can be
 * searched, selected and read aloud. On GitHub they are ordinary pictures.
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
  // The styles are in the site's style sheet, because Vue does not process styles in a page. Line breaks are removed, because
  // Markdown would start a paragraph at them.
  const bare = svg.replace(/<style>[\s\S]*?<\/style>/, '').replace(/\n\s*/g, '')
  return `<span class="picture" v-pre>${bare}</span>`
}
