import { defineDriver } from '@forksafe/core'
import type { Page } from 'playwright-core'
import { type ChromiumOptions, ChromiumPage } from './chromium.ts'

export const pageDriver = defineDriver({
  name: 'pages',
  async create(options: ChromiumOptions, { signal }) {
    const chromium = new ChromiumPage(options)
    // Only the pipes, not the process: in a forked child, the process belongs to the parent.
    signal.addEventListener('abort', () => chromium.letGo())
    try {
      await chromium.open()
      return chromium
    } catch (error) {
      chromium.letGo()
      throw error
    }
  },
  validate: async ({ page }) => (await page.evaluate('1')) === 1,
  reset: (chromium) => chromium.renew(),
  destroy: (chromium) => chromium.close(),
  discard: (chromium) => chromium.letGo(),
  watch({ process }, lost) {
    process.once('exit', (code, signal) => lost(new Error(`Chromium ended (${signal ?? code}).`)))
  },
  ref: (chromium) => chromium.hold(true),
  unref: (chromium) => chromium.hold(false),
  classify: (error) => (/ENOENT|EACCES/.test(String(error)) ? 'fatal' : 'transient'),
  methods: (pool) => ({
    /** Runs `work` with a new page, which is closed afterwards. */
    page: <T>(work: (page: Page) => Promise<T>) => pool.use(({ page }) => work(page)),
    /** Prints HTML as a PDF. */
    pdf: (html: string) =>
      pool.use(async ({ page }) => {
        await page.setContent(html)
        return page.pdf()
      }),
  }),
})
