package hl7_test
import ("testing";"os";"fmt";"encoding/json";"github.com/assaybus/assaybus/codec";"github.com/assaybus/assaybus/codec/hl7")
func TestZZDump(t *testing.T){
 f:=os.Getenv("DUMP"); if f==""{t.Skip("no DUMP")}
 raw,_:=os.ReadFile(f)
 p,_:=hl7.New(codec.Options{})
 for _,b:=range blocks(raw){ m,err:=p.Parse(b); if err!=nil{fmt.Println("ERR",err);continue}
  m.Records=nil; j,_:=json.Marshal(m.Results); r:=m.Results; m.Results=nil; _=j
  h,_:=json.Marshal(m); fmt.Println(string(h)); for i,x:=range r{ if i>11{break}; y,_:=json.Marshal(x); fmt.Println("   ",string(y))}}
}
