package notify

import "testing"

func TestManyNotificationsAreOnePending(t *testing.T) {
	s := New()
	for range 3 {
		s.Notify()
	}
	<-s
	select {
	case <-s:
		t.Error("a second one was pending")
	default:
	}
}

func TestANotificationThatIsClearedIsNotReceived(t *testing.T) {
	s := New()
	s.Clear() // of none
	s.Notify()
	s.Clear()
	select {
	case <-s:
		t.Error("it is still pending")
	default:
	}
}
