import {createHash} from 'node:crypto';
// Test vectors of the audit trail's hashes and orders, made with Node.
function stable(v){ if(v===null||typeof v!=='object') return JSON.stringify(v);
 if(Array.isArray(v)) return '['+v.map(stable).join(',')+']';
 return '{'+Object.entries(v).sort(([a],[b])=>a.localeCompare(b)).map(([k,x])=>JSON.stringify(k)+':'+stable(x)).join(',')+'}';}
const hash=v=>'sha256:'+createHash('sha256').update(stable(v)).digest('hex');
const values=[{},{a:1},{b:1,a:2,B:3,A:4},{createdAt:1,created_at:2,"created-at":3,createdat:4,Created:5},
 {"a b":1,"a_b":2,"a-b":3,"ab":4,"a.b":5,"a$b":6,"A B":7,"aB":8,"Ab":9},{"10":1,"9":2,"1":3,"01":4,"":5,"_x":6,"$y":7,"~":8},
 {nested:{z:1,Y:[{d:1,C:2},null,true,1.5,1e21,-0,1e-7]},"é":1,e:2,"E":3,f:4},
 {"ä":1,"a":2,"z":3,"Z":4,"ö":5,"o":6,"ß":7,"ss":8,"st":9},{"ключ":1,"Ключ":2,"abc":3,"яблоко":4},{"日本":1,"中国":2,"a":3,"한국":4},
 {s:"quote\" back\\ slash/ \u2028 \u00e9 \ud83d\ude00 \u007f \b\f\n\r\t\u0001"}, {"😀":1,"a":2,"😁":3},{"ñ":1,"n":2,"o":3,"N":4,"Ñ":5},
 {"resume":1,"résumé":2,"Resume":3,"Résumé":4,"resumé":5}, "192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64)"];
const chars=[]; const ranges=[[0x20,0x7e],[0xc0,0x17f],[0x370,0x3ff],[0x400,0x45f],[0x4e00,0x4e40],[0x3041,0x3096],[0xac00,0xac20],[0x5d0,0x5ea],[0x621,0x64a],[0x1f600,0x1f610]];
let seed=7; const rnd=n=>{seed=(Math.imul(seed,1103515245)+12345)&0x7fffffff; return (seed>>>8)%n;};
const word=(rs)=>{let s='';for(let i=0,n=1+rnd(4);i<n;i++){const r=rs[rnd(rs.length)];s+=String.fromCodePoint(r[0]+rnd(r[1]-r[0]+1));}return s;};
const orders={};
const sets={ascii:[[0x20,0x7e]],letters:[[0x61,0x65],[0x41,0x45],[0x5f,0x5f],[0x30,0x32]],latin:[[0x61,0x7a],[0x41,0x5a],[0xc0,0xd6],[0xd8,0xf6],[0xf8,0x17f]],greek:[[0x391,0x3a9],[0x3b1,0x3c9]],cyrillic:[[0x400,0x45f]],hebrew:[[0x5d0,0x5ea]],arabic:[[0x621,0x63a],[0x641,0x64a]],kana:[[0x3041,0x3096],[0x30a1,0x30f6]],han:[[0x4e00,0x9fa5]],hangul:[[0xac00,0xd7a3]],emoji:[[0x1f600,0x1f64f]],mixed:[[0x61,0x7a],[0xe0,0xf6],[0x3b1,0x3c9],[0x4e00,0x4f00],[0xac00,0xac80]]};
for(const [name,rs] of Object.entries(sets)){ if(name==='greek')rs.splice(0,1,[0x391,0x3a1],[0x3a3,0x3a9]);
 const ws=[...new Set(Array.from({length:60},()=>word(rs)))]; ws.sort((a,b)=>a.localeCompare(b)); orders[name]=ws;}
console.log(JSON.stringify({made:"Node "+process.version+", ICU "+process.versions.icu+", by gateway/audit/testdata/vectors.mjs",hashes:values.map(v=>({value:v,stable:stable(v),hash:hash(v)})),orders},null,1));
