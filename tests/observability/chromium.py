"""Drives headless Chromium over its pipe, with nothing but the standard library."""
import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile

PROGRAM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)


def high_pipe():
    """Both ends of a pipe, with numbers that nobody else wants."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends]
    for end in ends:
        os.close(end)
    return moved


class Chromium:
    """A browser with one page until the end of the context."""

    def __enter__(self):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        browser_in, self._to = high_pipe()
        self._from, browser_out = high_pipe()
        # It reads commands from descriptor 3 and answers on 4.
        command = f'exec "$0" "$@" 3<&{browser_in} 4>&{browser_out}'
        self._process = subprocess.Popen(
            ['bash', '-c', command, PROGRAM, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
             '--remote-debugging-pipe', f'--user-data-dir={self._profile.name}', 'about:blank'],
            pass_fds=(browser_in, browser_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, 'DBUS_SESSION_BUS_ADDRESS': 'disabled:'})
        os.close(browser_in)
        os.close(browser_out)
        self._answers = os.fdopen(self._from, 'rb')
        self._last_id = 0
        self._session = None
        self.events = []
        target = self.command('Target.createTarget', url='about:blank')['targetId']
        self._session = self.command('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in 'Page', 'Runtime', 'Log', 'Network':
            self.command(f'{domain}.enable')
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        self._answers.close()
        self._profile.cleanup()

    def _receive(self):
        message = bytearray()
        while (byte := self._answers.read(1)) != b'\0':
            if not byte:
                raise EOFError('the browser has ended')
            message += byte
        return json.loads(message)

    def command(self, method, **parameters):
        self._last_id += 1
        message = {'id': self._last_id, 'method': method, 'params': parameters}
        if self._session:
            message['sessionId'] = self._session
        os.write(self._to, json.dumps(message).encode() + b'\0')
        while (answer := self._receive()).get('id') != self._last_id:
            self.events.append(answer)
        if 'error' in answer:
            raise RuntimeError(f'{method}: {answer["error"]}')
        return answer['result']

    def open(self, url, width, height=900, dark=False):
        """Loads a page as on a screen of this width."""
        self.command('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1,
                     mobile=width < 600)
        self.command('Emulation.setEmulatedMedia',
                     features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])
        self.events.clear()
        self.command('Page.navigate', url=url)
        while not any(event.get('method') == 'Page.loadEventFired' for event in self.events):
            self.events.append(self._receive())

    def evaluate(self, expression):
        result = self.command('Runtime.evaluate', expression=expression, returnByValue=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(result['exceptionDetails'])
        return result['result'].get('value')

    def complaints(self):
        """What the console says of the page that was opened last."""
        return [event for event in self.events
                if event.get('method') in ('Log.entryAdded', 'Runtime.exceptionThrown', 'Runtime.consoleAPICalled')]

    def requested_urls(self):
        return [event['params']['request']['url'] for event in self.events
                if event.get('method') == 'Network.requestWillBeSent']

    def screenshot(self, path):
        height = self.evaluate('document.documentElement.scrollHeight')
        width = self.evaluate('document.documentElement.clientWidth')
        clip = {'x': 0, 'y': 0, 'width': width, 'height': height, 'scale': 1}
        data = self.command('Page.captureScreenshot', clip=clip, captureBeyondViewport=True)['data']
        with open(path, 'wb') as file:
            file.write(base64.b64decode(data))
