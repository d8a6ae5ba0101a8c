import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findChromium } from '@forksafe/scripts/chromium'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { DESK, look, type Look, PHONE } from './support/look.ts'
import { dist, pages } from './support/pages.ts'
import { serve } from './support/static-server.ts'

/** The pages that get all checks. The others are similar. */
const EXEMPLARY = ['/index.html', '/options.html', '/outages.html']
/** One page of each kind in the API. */
const API = new Set([
  '/api/@forksafe/core/index.html',
  '/api/@forksafe/core/interfaces/ForkSafePool.html',
])

const { executablePath, reason } = await findChromium().then(
  (executablePath) => ({ executablePath, reason: '' }),
  ({ message }: Error) => ({ executablePath: '', reason: ` (skipped: ${message})` }),
)
// The CI must have a browser. Otherwise nobody would notice that the site is not tested.
if (reason !== '' && process.env['CI']) throw new Error(reason)

describe.skipIf(reason !== '')(`the site${reason}`, () => {
  let browser: Browser
  let server: Awaited<ReturnType<typeof serve>>
  /** The folder for screenshots of whole pages, from `FORKSAFE_SCREENSHOTS`. */
  const kept = process.env['FORKSAFE_SCREENSHOTS']
  const screenshots = kept ?? mkdtempSync(join(tmpdir(), 'forksafe-site-'))

  beforeAll(async () => {
    mkdirSync(screenshots, { recursive: true })
    server = await serve(dist)
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  })
  afterAll(async () => {
    await browser?.close()
    await server?.[Symbol.asyncDispose]()
    if (kept === undefined) rmSync(screenshots, { recursive: true })
  })

  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: DESK, ...options })
    onTestFinished(() => context.close())
    const page = await context.newPage()
    await page.goto(server.url + path)
    return page
  }

  async function expectPicture(page: Page, name: string): Promise<void> {
    const path = join(screenshots, `${name}.png`)
    const image = await page.screenshot({ path, fullPage: kept !== undefined })
    expect(image.length).toBeGreaterThan(5_000) // The image of an empty page is smaller.
  }

  /** Opens every page, in a few tabs at once: those of the API, which are all made alike, without JavaScript. */
  async function lookAtAll() {
    const looks = new Map<string, Look>()
    const lookAt = async (paths: string[], options: BrowserContextOptions) => {
      const context = await browser.newContext(options)
      onTestFinished(() => context.close())
      // Otherwise VitePress fetches every page that a page links to.
      await context.addInitScript(() => {
        Object.defineProperty(navigator, 'connection', { value: { saveData: true } })
      })
      const tab = async () => {
        const page = await context.newPage()
        for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
          looks.set(path, await look(page, server.url + path))
        }
      }
      await Promise.all([tab(), tab()])
    }
    const isLike = (path: string) => path.startsWith('/api/') && !API.has(path)
    await lookAt(pages().filter(isLike), { javaScriptEnabled: false })
    await lookAt(
      pages().filter((path) => !isLike(path)),
      {},
    )
    return looks
  }

  test(
    'every page opens without errors, shows its images, fits the window, and has no dead links',
    { timeout: 120_000 },
    async () => {
      const looks = await lookAtAll()
      const faults = [...looks.values()].flatMap(({ faults }) => faults)
      for (const [path, { links }] of looks) {
        for (const link of new Set(links)) {
          const { origin, pathname, hash } = new URL(link)
          if (origin !== server.url) continue
          const target = looks.get(pathname.endsWith('/') ? `${pathname}index.html` : pathname)
          const anchor = decodeURIComponent(hash.slice(1))
          if (target === undefined) faults.push(`${path}: dead link ${pathname}`)
          else if (anchor !== '' && !target.anchors.includes(anchor)) {
            faults.push(`${path}: dead anchor ${pathname}${hash}`)
          }
        }
      }
      expect(faults).toEqual([])
      expect(looks.size).toBeGreaterThan(50)
    },
  )

  test.each([
    ['maxLifetimeMillis', '/options.html', 'maxlifetimemillis'],
    ['recycle', '/api/@forksafe/core/interfaces/ForkSafePool.html', 'recycle'],
  ])('the search finds %s, and leads there', async (word, path, anchor) => {
    const page = await open('/index.html')
    await page.waitForFunction(() => '__vue_app__' in (document.querySelector('#app') ?? {}))
    await page.keyboard.press('Control+k')
    await page.locator('.VPLocalSearchBox input').fill(word)
    const results = page.locator(`.VPLocalSearchBox a.result[href*="${path}#${anchor}"]`)
    await results.first().click()
    await page.waitForURL(`${server.url}${path}#${anchor}`)
    await expect.poll(() => inView(page, anchor), { timeout: 20_000 }).toBe(true)
  })

  test.each(EXEMPLARY)('%s follows the dark or light preference of the reader', async (path) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await open(path, { colorScheme })
      const contrast = await page.evaluate(() => {
        const { color, backgroundColor } = getComputedStyle(document.body)
        const brightness = (colour: string) =>
          (colour.match(/[\d.]+/g) ?? []).slice(0, 3).reduce((sum, part) => sum + Number(part), 0)
        return brightness(color) - brightness(backgroundColor)
      })
      expect(colorScheme === 'dark' ? contrast : -contrast).toBeGreaterThan(400)
      await expectPicture(page, `${nameOf(path)}-${colorScheme}`)
    }
  })

  test.each(EXEMPLARY)(
    '%s has the same content and navigation on a phone without JavaScript',
    async (path) => {
      const phone = {
        viewport: PHONE,
        isMobile: true,
        hasTouch: true,
        colorScheme: 'dark',
      } as const
      const script = await open(path, phone)
      await expectPicture(script, `${nameOf(path)}-phone`)
      const none = await open(path, { ...phone, javaScriptEnabled: false })
      await expectPicture(none, `${nameOf(path)}-phone-no-script`)

      expect(await wordsOf(none)).toBe(await wordsOf(script))
      for (const picture of await none.locator('.picture svg').all()) {
        expect((await picture.boundingBox())?.width).toBeGreaterThan(300)
      }
      const ways = await none.locator('a[href$="/start-pg.html"]:visible').all()
      const boxes = await Promise.all(ways.map((way) => way.boundingBox()))
      expect(boxes.some((box) => box !== null && box.x >= 0)).toBe(true)
    },
  )
})

function inView(page: Page, anchor: string): Promise<boolean> {
  return page.evaluate((id) => {
    const { top } = document.getElementById(id)?.getBoundingClientRect() ?? { top: -1 }
    return top >= 0 && top < window.innerHeight
  }, anchor)
}

async function wordsOf(page: Page): Promise<string> {
  const words = await page.locator('.VPContent main, .VPHome').first().innerText()
  return words.replaceAll(/\s+/g, ' ').trim()
}

function nameOf(path: string): string {
  return path.slice(1).replaceAll('/', '-').replace('.html', '')
}
