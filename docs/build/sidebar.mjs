// @ts-check
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The groups of pages. A page in no group is shown under "More". */
const groups = {
  Start: ['start-pg', 'start-mysql', 'start-redis', 'recipes', 'how-it-works', 'faq'],
  Switching: ['drop-in', 'drop-in-mysql', 'generic-pool', 'migrating', 'comparison'],
  'In production': ['outages', 'budgets', 'fleet', 'redis', 'transactions', 'sharing', 'observing'],
  'When the process changes': [
    'process-changes',
    'fork-detection',
    'snapshots',
    'bundlers',
    'restore',
    'freezes',
    'clusters',
  ],
  'A driver of your own': ['writing-a-driver', 'testing-a-driver'],
  Reference: ['options', 'errors', 'benchmarks'],
}

/**
 * @param {string} docs
 * @returns {import('vitepress').DefaultTheme.SidebarItem[]}
 */
export function sidebar(docs) {
  const pages = new Set(
    readdirSync(docs)
      .filter((file) => file.endsWith('.md') && file !== 'index.md')
      .map((file) => file.slice(0, -3)),
  )
  const placed = Object.entries(groups).map(([text, names]) => ({
    text,
    items: names.filter((name) => pages.delete(name)).map((name) => item(docs, name)),
  }))
  const rest = { text: 'More', items: [...pages].map((name) => item(docs, name)) }
  const api = JSON.parse(readFileSync(join(docs, 'api/typedoc-sidebar.json'), 'utf8'))
  return [
    ...[...placed, rest].filter(({ items }) => items.length > 0),
    { text: 'API', link: '/api/', items: api },
  ]
}

/**
 * @param {string} docs
 * @param {string} name
 */
function item(docs, name) {
  const [, title] = /^# (.+)$/m.exec(readFileSync(join(docs, `${name}.md`), 'utf8')) ?? []
  if (title === undefined) throw new Error(`docs/${name}.md has no title`)
  return { text: title, link: `/${name}` }
}
