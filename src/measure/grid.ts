import { fail } from '../base/index.ts';

/** How much CO2 a kilowatt hour of electricity stands for. */
export interface GridIntensity {
  /** ISO 3166 alpha-2, 'world', or a cloud region. */
  readonly region: string;
  readonly name: string;
  /** Grams of CO2 equivalent per kWh, yearly mean. */
  readonly gramsPerKwh: number;
  readonly year: number;
  readonly source: string;
}

const OWID =
  'Our World in Data, carbon intensity of electricity (Ember; Energy Institute), https://ourworldindata.org/grapher/carbon-intensity-electricity, as in CodeCarbon';

const country = (region: string, name: string, gramsPerKwh: number): GridIntensity => ({
  region,
  name,
  gramsPerKwh,
  year: 2023,
  source: OWID,
});

/** Yearly means; an hour can lie far from them. */
export const GRID: readonly GridIntensity[] = [
  {
    region: 'world',
    name: 'World',
    gramsPerKwh: 475,
    year: 2019,
    source:
      'IEA, https://www.iea.org/reports/global-energy-co2-status-report-2019/emissions; the default of CodeCarbon',
  },
  country('at', 'Austria', 110.8),
  country('au', 'Australia', 548.7),
  country('be', 'Belgium', 138.1),
  country('br', 'Brazil', 98.3),
  country('ca', 'Canada', 170),
  country('ch', 'Switzerland', 34.8),
  country('cn', 'China', 582.3),
  country('de', 'Germany', 380.9),
  country('dk', 'Denmark', 151.7),
  country('es', 'Spain', 174.1),
  country('fi', 'Finland', 79.2),
  country('fr', 'France', 56),
  country('gb', 'United Kingdom', 237.6),
  country('ie', 'Ireland', 290.8),
  country('in', 'India', 713.4),
  country('it', 'Italy', 330.7),
  country('jp', 'Japan', 485.4),
  country('kr', 'South Korea', 430.6),
  country('nl', 'Netherlands', 267.6),
  country('no', 'Norway', 30.1),
  country('pl', 'Poland', 661.9),
  country('se', 'Sweden', 40.7),
  country('sg', 'Singapore', 470.8),
  country('us', 'United States', 369.5),
  country('za', 'South Africa', 707.7),
];

/** The countries that cloud regions lie in; their grid's mean stands for them. */
const CLOUD_REGIONS: Readonly<Record<string, string>> = {
  'us-east-1': 'us',
  'us-east-2': 'us',
  'us-west-1': 'us',
  'us-west-2': 'us',
  'us-central1': 'us',
  eastus: 'us',
  westeurope: 'nl',
  'eu-west-1': 'ie',
  'eu-west-2': 'gb',
  'eu-west-3': 'fr',
  'eu-central-1': 'de',
  'eu-north-1': 'se',
  'europe-west1': 'be',
  'europe-west4': 'nl',
  'ap-northeast-1': 'jp',
  'ap-south-1': 'in',
  'ap-southeast-1': 'sg',
  'ap-southeast-2': 'au',
  'sa-east-1': 'br',
  'ca-central-1': 'ca',
};

/** The intensity of a country (two letters), of a cloud region through its country, or of the world. Throws PRICE_UNKNOWN. */
export function gridOf(region = 'world'): GridIntensity {
  const wanted = region.toLowerCase();
  const row = GRID.find((one) => one.region === (CLOUD_REGIONS[wanted] ?? wanted));
  if (row) return row;
  throw fail('PRICE_UNKNOWN', `no grid "${region}"; known are ${GRID.map((one) => one.region).join(', ')}`, {
    region,
    hint: 'Give the two letters of a country, a cloud region, or world.',
  });
}
