import type { KeyTotal } from '../../../src/serve/observe/series.ts';
import { count, digits, dollars, joules } from '../format.ts';

/** What each API key has used since the start. */
export function Keys({ keys }: { keys: readonly KeyTotal[] }) {
  return (
    <section class="card table" aria-labelledby="keys-title">
      <header>
        <h3 id="keys-title">API keys</h3>
        <p>since the server started</p>
      </header>
      <table>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col" class="n">
              Requests
            </th>
            <th scope="col" class="n">
              Rejected
            </th>
            <th scope="col" class="n">
              CPU s
            </th>
            <th scope="col" class="n less">
              Energy
            </th>
            <th scope="col" class="n less">
              Money
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((row) => (
            <tr key={row.key}>
              <th scope="row">{row.key}</th>
              <td class="n">{count(row.requests)}</td>
              <td class="n">{count(row.refused)}</td>
              <td class="n">{digits(row.cpuSeconds)}</td>
              <td class="n less">{joules(row.joules)}</td>
              <td class="n less">{dollars(row.dollars)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
