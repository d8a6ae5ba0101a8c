// @ts-check
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Application } from 'typedoc'
import { root } from './repository.mjs'

/**
 * Returns the source of every entry point of every public package, by its import path, such as `@forksafe/core`.
 * @returns {Map<string, string>}
 */
export function entryPoints() {
  /** @type {Map<string, string>} */
  const points = new Map()
  // Drivers come last: TypeDoc documents what they re-export where it finds it first.
  const folders = readdirSync(join(root, 'packages')).sort(
    (one, other) => Number(one.startsWith('driver-')) - Number(other.startsWith('driver-')),
  )
  for (const folder of folders) {
    const home = join(root, 'packages', folder)
    const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
    if (manifest.private) continue
    for (const [path, targets] of Object.entries(manifest.exports)) {
      const source = targets['@forksafe/source']
      if (source === undefined) continue // An exported package.json has no source.
      points.set(`${manifest.name}${path.slice(1)}`, join(home, source))
    }
  }
  return points
}

/**
 * Writes the API reference into `api/`, from the sources and their docstrings.
 * @param {string} docs
 */
export async function writeApi(docs) {
  const points = entryPoints()
  /** @type {Record<string, unknown>} The plugins' options are missing in TypeDoc's types. */
  const ofPlugins = {
    docsRoot: docs,
    entryFileName: 'index.md',
    hideBreadcrumbs: true,
    hidePageHeader: true,
    // Each member gets a heading, because the search finds headings.
    interfacePropertiesFormat: 'list',
    parametersFormat: 'table',
    expandParameters: true,
    tableColumnSettings: { hideSources: true },
    useCodeBlocks: true,
    sidebar: { autoConfiguration: true, format: 'vitepress', collapsed: true },
  }
  const app = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme'],
    entryPoints: [...points.values()],
    tsconfig: join(docs, 'tsconfig.api.json'),
    out: join(docs, 'api'),
    name: 'API',
    readme: 'none',
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    disableSources: true,
    disableGit: true,
    sort: ['source-order'],
    // A public type that is exported nowhere cannot be linked to.
    validation: { notExported: false, invalidLink: true, notDocumented: false },
    ...ofPlugins,
  })
  const names = new Map([...points].map(([name, file]) => [resolve(file), name]))
  const found = app.getEntryPoints() ?? []
  for (const point of found) {
    // The name by which users import it.
    point.displayName = names.get(resolve(point.sourceFile.fileName)) ?? point.displayName
  }
  if (found.length !== points.size) throw new Error('TypeDoc did not find every entry point')
  const project = app.converter.convert(found)
  app.validate(project)
  await app.generateOutputs(project)
  if (app.logger.hasErrors() || app.logger.hasWarnings()) {
    throw new Error('TypeDoc found errors in the docstrings')
  }
  return project
}
