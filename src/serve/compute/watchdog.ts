import { Socket } from 'node:net';

/** A thread in a process that computes: ends that process when its parent is gone, whatever it does at that time. */
const parent = new Socket({ fd: 4, readable: true, writable: false });
const end = () => process.kill(process.pid, 'SIGKILL');
parent.on('error', end);
parent.on('close', end);
parent.resume();
