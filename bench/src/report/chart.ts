const WIDTH = 50
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** Draws one bar for each value. The longest is as wide as the chart. */
export function chart(
  bars: readonly { readonly label: string; readonly value: number; readonly shown: string }[],
): string {
  const longest = Math.max(...bars.map(({ value }) => value))
  const labels = Math.max(...bars.map(({ label }) => label.length))
  const shown = Math.max(...bars.map(({ shown }) => shown.length))
  return bars
    .map(({ label, value, shown: text }) => {
      return `${label.padEnd(labels)}  ${text.padStart(shown)}  ${bar((value / longest) * WIDTH)}`
    })
    .join('\n')
}

function bar(width: number): string {
  const eighths = Math.round(width * 8)
  return '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '')
}
