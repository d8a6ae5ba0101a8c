export default [
  {
    name: '@forksafe/core, without generic-pool',
    path: 'packages/core/dist/index.js',
    limit: '15 kB',
    gzip: true,
    ignore: ['generic-pool'],
    modifyEsbuildConfig: (config) => ({ ...config, format: 'esm', platform: 'node' }),
  },
]
