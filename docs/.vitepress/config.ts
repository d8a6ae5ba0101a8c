import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { repositoryLinks } from '../build/links.mjs'
import { inlinePictures } from '../build/pictures.mjs'
import { repository } from '../build/repository.mjs'
import { sidebar } from '../build/sidebar.mjs'

const docs = fileURLToPath(new URL('..', import.meta.url))

/** Without JavaScript a phone's menu opens nothing: there it stands under the text. */
const withoutScript = `
  .VPNavBarHamburger, .VPNavBarSearch, .VPNavBarAppearance, .VPLocalNav { display: none !important }
  @media (max-width: 959px) {
    .VPSidebar {
      position: static !important; order: 1; width: 100% !important; max-width: 100% !important;
      transform: none !important; opacity: 1 !important; visibility: visible !important
    }
  }`

const base = process.env['FORKSAFE_DOCS_BASE'] ?? '/'

const description =
  'A connection pool for Node that survives forks, snapshots, restores and freezes, and behaves better in an outage. ' +
  'PostgreSQL, MySQL, MariaDB, Redis, or your own driver.'

export default defineConfig({
  title: 'forksafe',
  description,
  lang: 'en',
  base,
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${base}favicon.svg` }],
    ['meta', { property: 'og:type', content: 'website' }],
    ['meta', { property: 'og:site_name', content: 'forksafe' }],
    ['noscript', {}, `<style>${withoutScript}</style>`],
  ],
  srcExclude: ['generated/**'],
  ignoreDeadLinks: false,
  markdown: {
    config(md) {
      md.use(repositoryLinks).use(inlinePictures)
    },
  },
  transformHead: ({ title, description }) => [
    ['meta', { property: 'og:title', content: title }],
    ['meta', { property: 'og:description', content: description }],
  ],
  themeConfig: {
    nav: [
      { text: 'Start', link: '/start-pg' },
      { text: 'Guides', link: '/recipes' },
      { text: 'Comparison', link: '/comparison' },
      { text: 'FAQ', link: '/faq' },
    ],
    sidebar: sidebar(docs),
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    editLink: { pattern: `${repository}/edit/main/docs/:path`, text: 'Edit this page' },
    footer: { message: 'MIT licence' },
  },
})
