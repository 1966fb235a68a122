"""A signal is a request to stop, and a second Ctrl-C does not wait."""

import signal
import threading

import pytest

from whisper_ft.runtime.signals import default_child_signals, stop_on_signals


def test_a_first_ctrl_c_says_what_a_second_would_do(capfd):
    with stop_on_signals() as stop:
        assert not stop
        signal.raise_signal(signal.SIGINT)
        assert stop and stop.signal == signal.SIGINT
    assert "Press Ctrl-C again to stop at once." in capfd.readouterr().err


def test_a_second_ctrl_c_stops_at_once_and_the_handlers_are_restored():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_handlers_stay_as_they_are():
    handlers = []

    def look():
        with stop_on_signals() as stop, default_child_signals():
            handlers.append((bool(stop), signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [(False, before)]


def test_a_handler_for_the_death_of_children_is_suspended_and_restored():
    def handler(*_):
        pass

    before = signal.signal(signal.SIGCHLD, handler)
    try:
        with default_child_signals():
            assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGCHLD) is handler
    finally:
        signal.signal(signal.SIGCHLD, before)
