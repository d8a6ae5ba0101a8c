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

export default defineConfig({
  title: 'forksafe',
  description: 'A resource pool for Node that stays correct when the process under it changes',
  lang: 'en',
  base,
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${base}favicon.svg` }],
    ['noscript', {}, `<style>${withoutScript}</style>`],
  ],
  srcExclude: ['generated/**'],
  ignoreDeadLinks: false,
  markdown: {
    config(md) {
      md.use(repositoryLinks).use(inlinePictures)
    },
  },
  themeConfig: {
    nav: [
      { text: 'Guides', link: '/process-changes' },
      { text: 'Options', link: '/options' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: sidebar(docs),
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    editLink: { pattern: `${repository}/edit/main/docs/:path`, text: 'Edit this page' },
    footer: { message: 'MIT licence' },
  },
})
