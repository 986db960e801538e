import { fail } from '../base/index.ts';

/** What an hour of a rented machine costs. */
export interface Price {
  /** The provider's name of the machine type. */
  readonly name: string;
  readonly provider: 'aws' | 'gcp' | 'azure';
  /** USD per hour, Linux, on demand, without discounts, storage and traffic. */
  readonly perHour: number;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly gpu?: string;
  readonly region: string;
  /** When the price held, ISO 8601. */
  readonly asOf: string;
  /** Where the provider publishes it. */
  readonly source: string;
  /** How it came into this list. */
  readonly obtained: string;
}

const AWS = {
  provider: 'aws',
  region: 'us-east-1',
  asOf: '2026-07-20',
  source: 'https://aws.amazon.com/ec2/pricing/on-demand/',
  obtained: 'from the AWS price API, through the price table that karpenter-provider-aws generates from it',
} as const;

const GCP = {
  provider: 'gcp',
  region: 'us-central1',
  asOf: '2025-01-01',
  source: 'https://cloud.google.com/compute/vm-instance-pricing',
  obtained: 'list price as generally known at that date; look it up before you rely on it',
} as const;

const AZURE = {
  provider: 'azure',
  region: 'eastus',
  asOf: '2025-01-01',
  source: 'https://azure.microsoft.com/pricing/details/virtual-machines/linux/',
  obtained: 'list price as generally known at that date; look it up before you rely on it',
} as const;

/** Common machines for inference. Prices change: the date is part of the figure, and `--price-per-hour` beats the list. */
export const PRICES: readonly Price[] = [
  { ...AWS, name: 'c7i.large', perHour: 0.08925, cpus: 2, memoryGiB: 4 },
  { ...AWS, name: 'c7i.xlarge', perHour: 0.1785, cpus: 4, memoryGiB: 8 },
  { ...AWS, name: 'c7i.2xlarge', perHour: 0.357, cpus: 8, memoryGiB: 16 },
  { ...AWS, name: 'c7i.4xlarge', perHour: 0.714, cpus: 16, memoryGiB: 32 },
  { ...AWS, name: 'c7a.large', perHour: 0.10264, cpus: 2, memoryGiB: 4 },
  { ...AWS, name: 'c7a.xlarge', perHour: 0.20528, cpus: 4, memoryGiB: 8 },
  { ...AWS, name: 'c7g.large', perHour: 0.0725, cpus: 2, memoryGiB: 4 },
  { ...AWS, name: 'c7g.xlarge', perHour: 0.145, cpus: 4, memoryGiB: 8 },
  { ...AWS, name: 'c8g.large', perHour: 0.07976, cpus: 2, memoryGiB: 4 },
  { ...AWS, name: 'c6i.large', perHour: 0.085, cpus: 2, memoryGiB: 4 },
  { ...AWS, name: 'm7i.large', perHour: 0.1008, cpus: 2, memoryGiB: 8 },
  { ...AWS, name: 'm7i.xlarge', perHour: 0.2016, cpus: 4, memoryGiB: 16 },
  { ...AWS, name: 'm7g.large', perHour: 0.0816, cpus: 2, memoryGiB: 8 },
  { ...AWS, name: 't3.medium', perHour: 0.0416, cpus: 2, memoryGiB: 4 },
  { ...AWS, name: 't4g.medium', perHour: 0.0336, cpus: 2, memoryGiB: 4 },
  { ...AWS, name: 'g4dn.xlarge', perHour: 0.526, cpus: 4, memoryGiB: 16, gpu: 'NVIDIA T4' },
  { ...AWS, name: 'g5.xlarge', perHour: 1.006, cpus: 4, memoryGiB: 16, gpu: 'NVIDIA A10G' },
  { ...AWS, name: 'g6.xlarge', perHour: 0.8048, cpus: 4, memoryGiB: 16, gpu: 'NVIDIA L4' },
  { ...GCP, name: 'e2-standard-2', perHour: 0.067006, cpus: 2, memoryGiB: 8 },
  { ...GCP, name: 'n2-standard-2', perHour: 0.097118, cpus: 2, memoryGiB: 8 },
  { ...GCP, name: 'n2-standard-4', perHour: 0.194236, cpus: 4, memoryGiB: 16 },
  { ...AZURE, name: 'D2s_v5', perHour: 0.096, cpus: 2, memoryGiB: 8 },
  { ...AZURE, name: 'D4s_v5', perHour: 0.192, cpus: 4, memoryGiB: 16 },
];

/** The row of a machine type, whatever its capitals. Throws PRICE_UNKNOWN. */
export function priceOf(name: string): Price {
  const wanted = name.toLowerCase();
  const row = PRICES.find((price) => price.name.toLowerCase() === wanted);
  if (row) return row;
  throw fail(
    'PRICE_UNKNOWN',
    `no machine "${name}"; listed are ${PRICES.map((price) => price.name).join(', ')}`,
    {
      name,
    },
  );
}
