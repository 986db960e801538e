export { BUNDLE_VERSION, type Bundle, bundleSchema } from './bundle.ts';
export {
  type BundlePlan,
  type OpenBundleOptions,
  type OpenedBundle,
  openBundle,
  planBundle,
  stagesOfBundle,
} from './open-bundle.ts';
export { readBundle } from './read-bundle.ts';
export { defaultRunSettings, type RunSettings, sessionSettings } from './run-settings.ts';
export { assertBundlePlace, type BundleParts, portsOf, writeBundle } from './write-bundle.ts';
