import type { Page } from 'playwright-core'

export const DESK = { width: 1280, height: 900 }
export const PHONE = { width: 375, height: 740 }

/** The anchors of a page, its links, and its problems. */
export interface Look {
  readonly anchors: readonly string[]
  readonly links: readonly string[]
  readonly faults: readonly string[]
}

/** Opens a page and inspects it in the browser, at desktop and phone size. */
export async function look(page: Page, url: string): Promise<Look> {
  const faults: string[] = []
  const complain = (what: string) => void faults.push(`${new URL(url).pathname}: ${what}`)
  page.on('pageerror', ({ message }) => complain(message))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complain(message.text())
  })
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? 'failed'
    // The tab is reused for the next page; without JavaScript, no script is loaded.
    if (why !== 'net::ERR_ABORTED' && why !== 'csp') complain(`${request.url()}: ${why}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) complain(`${response.url()} is ${response.status()}`)
  })
  await page.setViewportSize(DESK)
  await page.goto(url, { waitUntil: 'load' })
  const seen = await page.evaluate(() => ({
    anchors: [...document.querySelectorAll('[id]')].map(({ id }) => id),
    links: [...document.querySelectorAll('a[href]')].map((a) => (a as HTMLAnchorElement).href),
    broken: [...document.images].filter((i) => i.naturalWidth === 0).map(({ src }) => src),
    title: document.querySelector('h1')?.textContent ?? '',
  }))
  for (const source of seen.broken) complain(`broken image ${source}`)
  if (seen.title === '') complain('has no title')
  for (const size of [DESK, PHONE]) {
    await page.setViewportSize(size)
    const tooWide = await page.evaluate(
      () => document.documentElement.scrollWidth - window.innerWidth,
    )
    if (tooWide > 0) complain(`is ${tooWide} pixels wider than a window of ${size.width}`)
  }
  page.removeAllListeners()
  return { anchors: seen.anchors, links: seen.links, faults }
}
