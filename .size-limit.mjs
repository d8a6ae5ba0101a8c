// The limit is for all of core as it is published, in CommonJS. A new feature states here, and in the pull request, what it adds:
//
//   checks of drivers and options, with advice on misspelled names   3.6 kB
//   `share`                                                          3.2 kB
//   what notices a process change                                    1.5 kB
//   `sharedBudget`, permits and pool maps                              2.2 kB
//   priorities and deadlines of waiting callers                      1.4 kB
//   events and diagnostics channels                                  0.7 kB
//   `poolHealth`                                                     0.8 kB
//   idle times, lifetimes, keepalives and leak detection             0.5 kB
//   counters, and the list of live pools                             0.3 kB
export default [
  {
    name: '@forksafe/core, without generic-pool',
    path: 'packages/core/dist/index.js',
    limit: '27 kB',
    gzip: true,
    ignore: ['generic-pool'],
    modifyEsbuildConfig: (config) => ({ ...config, format: 'esm', platform: 'node' }),
  },
]
