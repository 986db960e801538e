import { defineConfig } from 'vite';

export default defineConfig({
  // Relative, so that the dashboard also works behind a proxy that gives it another path.
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/dashboard',
    emptyOutDir: true,
    target: 'es2022',
    // Everything is a file of its own: data: URLs would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      // What the library's own modules do not export to here is not needed here.
      treeshake: { moduleSideEffects: (id) => !/\/src\/(?:base|client|data|graph|protocol)\//.test(id) },
    },
  },
});
